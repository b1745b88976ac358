"""What people see of the sandbox: the payment page and the console; and its own control API."""
