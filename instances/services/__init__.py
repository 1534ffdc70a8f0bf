"""The only rooms that write: instances, credentials, sizes, sessions; and the collections that fill them."""
