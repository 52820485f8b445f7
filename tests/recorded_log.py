"""What is logged while a test runs."""

import logging


class RecordedLog(logging.Handler):
    """Keeps what is logged, which is not on the screen as well."""

    def __init__(self):
        logging.Handler.__init__(self)
        self.records = []
        #: Of each record the name of its level, and the text.
        self.messages = []

    def emit(self, record):
        self.records.append(record)
        self.messages.append((record.levelname, record.getMessage()))

    @classmethod
    def installed(cls, test, level=None, name='ftw.monitor'):
        """A new one for the logger *name*, until *test* is over; from *level*
        on, if given."""
        log = cls()
        logger = logging.getLogger(name)
        logger.addHandler(log)
        test.addCleanup(logger.removeHandler, log)
        test.addCleanup(setattr, logger, 'propagate', logger.propagate)
        logger.propagate = False
        if level is not None:
            test.addCleanup(logger.setLevel, logger.level)
            logger.setLevel(level)
        return log
