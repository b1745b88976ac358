"""What Stripe accepts and returns, taken from the types of the installed SDK.

The only room of the sandbox that imports `stripe`. Nothing is vendored: Stripe generates those
types from its own specification, so the contract is always of the version the SDK pins.
"""
