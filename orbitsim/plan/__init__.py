"""Planning: delay models, the planning problem, the schemes and routes."""
