"""What each code of a source means: one sentence a code, and advice that fits it."""
