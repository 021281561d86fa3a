"""The location basis: what adds to what, factors, and the sums of each window."""
