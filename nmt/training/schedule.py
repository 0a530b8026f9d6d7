"""Learning-rate schedules: pure functions of the step, so that their state is the step and nothing else."""

from nmt.config import TrainingConfig


def learning_rate(step: int, config: TrainingConfig) -> float:
    """The rate of update `step`, counted from 1.

    `schedule_start` updates count as done before it. All schedules rise linearly over the warm-up. Then inverse-sqrt
    is the paper's (section 5.3, equation 3),

        rate = d_model^-0.5 * min(step^-0.5, step * warmup^-1.5) = peak * min((warmup / step)^0.5, step / warmup)

    with peak = (d_model * warmup)^-0.5 as a setting; linear holds the peak until `decay_start` of all steps and falls
    to zero at the last; constant holds it.

    >>> config = TrainingConfig(peak_rate=1.0, warmup=4)
    >>> [learning_rate(step, config) for step in (1, 4, 16)]
    [0.25, 1.0, 0.5]
    """
    step += config.schedule_start
    if step < config.warmup:
        return config.peak_rate * step / config.warmup
    if config.schedule == "inverse-sqrt":
        return float(config.peak_rate * (config.warmup / step) ** 0.5)
    if config.schedule == "linear":
        start = max(config.warmup, config.decay_start * config.steps)
        left = (config.steps - step + 1) / max(1.0, config.steps - start)
        return config.peak_rate * min(1.0, max(0.0, left))
    return config.peak_rate
