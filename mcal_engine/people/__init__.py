"""Statistics of people: agreement, consensus, their error, and what it adds to the promise."""
