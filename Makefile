.PHONY: run test check
run:
	./dev run
test:
	./dev test
check:
	./dev check
