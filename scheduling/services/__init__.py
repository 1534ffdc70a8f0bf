"""The only rooms that write. A face checks permission and calls one of these in one line."""
