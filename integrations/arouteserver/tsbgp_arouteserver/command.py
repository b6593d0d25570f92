"""The command: the arguments of arouteserver's own targets, and a few of ts-bgp."""

import argparse
import logging
import os

from pierky.arouteserver.commands.tpl_rendering import ConfigRenderingCommand
from pierky.arouteserver.errors import ARouteServerError

from .builder import TEMPLATES_DIR, TsBgpConfigBuilder


class TsBgpCommand(ConfigRenderingCommand):
    COMMAND_NAME = "tsbgp"
    COMMAND_HELP = "Build route server configuration for ts-bgp."
    BUILDER_CLASS = TsBgpConfigBuilder

    def _get_template_sub_dir(self):
        # An absolute path stands for itself, whatever folder it is joined to.
        return os.path.abspath(self.args.templates_dir or TEMPLATES_DIR)

    @classmethod
    def add_arguments(cls, parser):
        super().add_arguments(parser)
        parser.add_argument(
            "--rpki-cache",
            action="append",
            metavar="ADDRESS:PORT",
            dest="rpki_caches",
            help="An RTR cache to take ROAs from; may be given several times. It goes before the "
            "JSON files of general.yml, and is needed where rpki_roas.source is 'rtr'.",
        )
        parser.add_argument(
            "--rpki-start-limit",
            type=int,
            metavar="SECONDS",
            dest="rpki_start_limit",
            help="How long routes wait for ROAs after a start (start-limit of ts-bgp).",
        )
        parser.add_argument(
            "--use-hooks",
            nargs="*",
            choices=cls.BUILDER_CLASS.HOOKS,
            metavar="HOOK_NAME",
            dest="hooks",
            help="Policies of the site that are called: " + ", ".join(cls.BUILDER_CLASS.HOOKS),
        )

    def _set_cfg_builder_params(self):
        super()._set_cfg_builder_params()
        for name in ("rpki_caches", "rpki_start_limit", "hooks"):
            self.cfg_builder_params[name] = getattr(self.args, name)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="tsbgp_arouteserver", description=TsBgpCommand.COMMAND_HELP
    )
    TsBgpCommand.add_arguments(parser)
    try:
        return 0 if TsBgpCommand(parser.parse_args(arguments)).run() else 1
    except ARouteServerError as error:
        logging.error(str(error) or "no configuration was written; the log says why")
        return 1
