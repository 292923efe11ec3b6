"""``fullrank plan``: how long a study will take on P workers, predicted from a pilot; docs/plan.md has the method."""
