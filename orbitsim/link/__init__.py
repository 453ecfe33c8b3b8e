"""Links: power budgets, rates and the capacity that a transfer can use over time."""
