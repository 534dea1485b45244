"""The commands that look at something, and the heavy modules that each of them may import."""

HEAVY = (
    "torch",
    "faust",
    "kafka",
    "aiokafka",
    "redis",
    "numpy",
    "numba",
    "pyarrow",
    "scipy",
    "sklearn",
    "prometheus_client",
)
NOTHING: tuple[str, ...] = ()
LOG, LOG_ARRAYS = ("kafka",), ("kafka", "numpy")
REDIS_ARRAYS = ("redis", "numpy")

# Command -> the heavy modules that it may import.
ALLOWED = {
    "--help": NOTHING,
    "--version": NOTHING,
    "config show": NOTHING,
    "config check": ("numpy", "numba", "scipy"),  # the rules of a vocabulary
    "topics plan": LOG,
    "offsets show": LOG,
    "timelines tail": LOG,
    "models list": LOG,
    "dead-letters list": LOG,
    "bins list": LOG_ARRAYS,
    "bins show tweet.age_s": LOG_ARRAYS,
    "time show": LOG_ARRAYS,
    "status": LOG,
    "vocab history #rust": LOG_ARRAYS,
    "vocab top": REDIS_ARRAYS,
    "vocab rising": REDIS_ARRAYS,
    "vocab show #rust": REDIS_ARRAYS,
    "vocab stats": ("kafka", *REDIS_ARRAYS),
    "features list": ("numpy",),
    "features describe tweet.rate": ("numpy",),
    "features tweet 71": REDIS_ARRAYS,
    "features author 5": REDIS_ARRAYS,
    "examples tail": ("kafka", "numpy", "pyarrow"),
}
