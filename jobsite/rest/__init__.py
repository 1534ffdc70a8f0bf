"""The house rules of the API: who may call, what goes in, what comes out, and how it says no."""
