"""The pipeline: scenario in, results out, the stages in the order in which data passes."""
