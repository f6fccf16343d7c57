"""What the tests over ROS share: programs that they start, peers that speak to them, and pictures to show them."""
