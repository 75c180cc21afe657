"""What the user writes: `@model` on a typed function or class, and what is made of its signature."""
