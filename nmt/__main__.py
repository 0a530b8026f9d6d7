"""The program: `nmt`, or `python -m nmt`. Before a command runs, an interrupt ends it silently."""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # before the imports, which take a moment
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from nmt.cli.app import main

if __name__ == "__main__":
    main()
