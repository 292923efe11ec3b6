"""Which way of using the cores pays, for one study on one machine: measured, judged, told."""
