"""What fits Leveret into the frameworks of others. Each module needs an extra that is named like it."""
