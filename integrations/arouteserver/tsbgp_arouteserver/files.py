"""Lists in files of their own, and lists that are short in the configuration."""

import json
import os

from pierky.arouteserver.errors import BuilderError


# Longer lists stand in a file of their own: those of the site, and those of registries.
INLINE_MAX = 50
REGISTRY_MAX = 8
# Whoever finds this in a file's first line may replace the file, or remove it.
MARK = "# Written by arouteserver for ts-bgp"


class ListFiles:
    def __init__(self, folder, shown):
        """
        Args:
            folder: where files are written; None for nowhere.
            shown: the same in the words of the configuration, whose paths are relative to itself.
        """
        self.folder = folder
        self.shown = shown
        self.names = set()

    def written(self, site):
        """Writes what is long. Returns lists by section and name: entries, or the path of a file."""
        sections = {}
        for section, lists, ending in (
            ("prefix-lists", site.prefix_lists, "prefixes"),
            ("as-lists", site.as_lists, "origins"),
            ("route-lists", site.route_lists, "routes"),
        ):
            found = {}
            for name, entries in lists.entries.items():
                note, file = lists.notes[name], None
                if self.folder is not None and len(entries) > (
                    INLINE_MAX if note is None else REGISTRY_MAX
                ):
                    file = self.write_list("%s.%s" % (name, ending), entries, note)
                comments = any(comment for _, comment in entries)
                found[name] = {
                    "entries": entries,
                    "comments": comments,
                    "note": note if note != name else None,
                    "file": file,
                }
            if found:
                sections[section] = found
        self.remove_others()
        return sections

    def write_list(self, name, entries, note):
        head = MARK if note is None else "%s: %s" % (MARK, note)
        lines = [head] + [
            "%s%s" % (entry, "   # %s" % " ".join(str(comment).split()) if comment else "")
            for entry, comment in entries
        ]
        return self.write(name, "\n".join(lines) + "\n")

    def write_roas(self, roas):
        """Returns the path of the file, in the format of rpki-client; ts-bgp wants it from the root."""
        if self.folder is None:
            raise BuilderError("ROAs need a file beside the configuration: name one with -o")
        found = sorted(
            (
                {"asn": roa["asn"], "prefix": roa["prefix"], "maxLength": roa["max_len"]}
                for roa in roas
            ),
            key=lambda roa: (roa["prefix"], roa["asn"], roa["maxLength"]),
        )
        lines = ",\n".join("  " + json.dumps(roa) for roa in found)
        self.write("roas.json", '{ "roas": [\n%s\n] }\n' % lines)
        return os.path.abspath(os.path.join(self.folder, "roas.json"))

    def write(self, name, text):
        """Puts a file in its place as a whole: a reload may come at any time."""
        os.makedirs(self.folder, exist_ok=True)
        path = os.path.join(self.folder, name)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(path + ".new", path)
        self.names.add(name)
        return "%s/%s" % (self.shown, name)

    def remove_others(self):
        """Takes away lists of clients that are gone; files of others stay."""
        if self.folder is None or not os.path.isdir(self.folder):
            return
        for name in os.listdir(self.folder):
            path = os.path.join(self.folder, name)
            if name in self.names or not name.endswith((".prefixes", ".origins", ".routes")):
                continue
            with open(path, encoding="utf-8") as file:
                ours = file.readline().startswith(MARK)
            if ours:
                os.remove(path)
