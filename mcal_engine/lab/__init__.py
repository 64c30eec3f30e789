"""The lab: recorded runs, replays without training, baselines, back-tests, figures, commands."""
