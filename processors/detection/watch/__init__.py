"""The channel detectors on closed windows as they come: state of the channels that are watched, and their alerts."""
