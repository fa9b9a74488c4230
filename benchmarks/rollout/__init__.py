"""How often the procedures of a rollout decide rightly and wrongly, by simulation."""
