"""What items cost, as a function of the user's or an earlier result tells it, and which of them are to go first."""
