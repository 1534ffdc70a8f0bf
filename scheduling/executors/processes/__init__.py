"""Runs in processes of their own: started by a fork server, watched by a supervision, ended whole, whatever happens."""
