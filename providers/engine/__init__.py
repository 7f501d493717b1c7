"""How classes of instances and associations are described, and the engines that serve them."""
