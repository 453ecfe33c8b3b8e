"""The published figures and tables beside ours: experiments by name, the settings of each, and what came of them."""
