"""Results → tables and plots."""
