"""The running program: the application, the worker, the schedule and the `billing` command."""
