"""Pages that are no model's admin: home, board, live parts."""
