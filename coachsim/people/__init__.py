"""The people of a floor as numbers: who is where when, and how they come to read; drawn, or borrowed from past days."""
