"""Learning rate schedules: pure functions of the step and, where it is limited, of the time."""

from nmt.config.training import TrainingConfig


def learning_rate(step: int, config: TrainingConfig, seconds: float = 0.0) -> float:
    """The learning rate of step `step`, counted from 1, after these seconds of training.

    `schedule_start` is added to the step. All schedules rise linearly over the warm-up. Then inverse-sqrt is the
    paper's (section 5.3, equation 3),

        rate = d_model^-0.5 * min(step^-0.5, step * warmup^-1.5) = peak * min((warmup / step)^0.5, step / warmup)

    with peak = (d_model * warmup)^-0.5 as a setting; linear holds the peak until `decay_start` of all steps and decays
    to zero at the last step, or, where `minutes` end first, in the same way over the time; constant holds the peak.

    >>> config = TrainingConfig(learning_rate=1.0, warmup=4)
    >>> [learning_rate(step, config) for step in (1, 4, 16)]
    [0.25, 1.0, 0.5]
    """
    step += config.schedule_start
    rise = min(1.0, step / config.warmup)
    if config.schedule == "inverse-sqrt" and step > config.warmup:
        return float(config.learning_rate * (config.warmup / step) ** 0.5)
    if config.schedule == "linear":
        start = max(config.warmup, config.decay_start * config.steps)
        fall = (config.steps - step + 1) / max(1.0, config.steps - start)
        if config.minutes:
            fall = min(fall, (1 - seconds / (60 * config.minutes)) / (1 - config.decay_start))
        return config.learning_rate * max(0.0, min(rise, fall))
    return config.learning_rate * rise
