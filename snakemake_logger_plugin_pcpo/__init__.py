"""Snakemake's logger plug-in `pcpo`: the progress of a command in place of Snakemake's log (`--logger pcpo`).

Every Snakemake of this environment imports this module: it imports the package only once it is asked to show something.
Without `from __future__ import annotations`: Snakemake takes the types of options from the annotations.
"""

from dataclasses import dataclass, field
from logging import LogRecord

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase

__all__ = ["LogHandler", "LogHandlerSettings"]


@dataclass
class LogHandlerSettings(LogHandlerSettingsBase):
    """Name the option of the plug-in, `--logger-pcpo-show`."""

    show: str = field(
        default="auto",
        metadata={
            "help": "What is shown while jobs run: 'auto', a display on a terminal and short lines elsewhere; 'lines', "
            "short lines always; 'snakemake', Snakemake's own log, which .snakemake/log holds in any case.",
            "choices": ["auto", "lines", "snakemake"],
            "env_var": True,
        },
    )


class LogHandler(LogHandlerBase):
    """Show the progress; whoever asks for more or for less of Snakemake's log with its own options gets that log."""

    def __post_init__(self) -> None:
        """Choose what is shown."""
        common = self.common_settings
        asked = common.verbose or common.debug_dag or common.printshellcmds or common.quiet
        show = self.settings.show if isinstance(self.settings, LogHandlerSettings) else "auto"
        self.display = None
        if not asked and show != "snakemake":
            from pcpo.pipeline.display import Display
            from pcpo.pipeline.screen import screen

            shown = screen(lines=show == "lines" or common.dryrun, out=common.stdout, plain=common.nocolor)
            self.display = Display(shown, dryrun=common.dryrun)

    def emit(self, record: LogRecord) -> None:
        """Take a record; an error in the display is reported and stops neither Snakemake nor the display."""
        if self.display is not None:
            try:
                self.display.handle(record)
            except Exception:
                self.handleError(record)

    def close(self) -> None:
        """Say how the command ended, and give the terminal back; Snakemake calls it more than once."""
        if self.display is not None:
            self.display.close()
        super().close()

    @property
    def writes_to_stream(self) -> bool:
        """Whether Snakemake leaves its own log out."""
        return self.display is not None

    @property
    def writes_to_file(self) -> bool:
        """Whether there is a file beside Snakemake's own."""
        return False

    @property
    def has_filter(self) -> bool:
        """Whether Snakemake's own filter, which knows `--quiet`, is left out."""
        return True

    @property
    def has_formatter(self) -> bool:
        """Whether Snakemake's own formatter is left out."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """Whether the graph of rules is wanted."""
        return False
