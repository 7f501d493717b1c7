"""Operations that take long, and the jobs that clients see of them (DSP1103)."""
