"""The table at the end: per kind of fault, what clients noticed."""

TITLE = f"{'FAULT':<26}{'NUMBER':>7}{'LONGEST OUTAGE short':>22}{'watch':>9}{'bulk':>9}{'LOST in flight':>16}{'later':>7}{'of':>9}{'BACK AFTER':>12}"


class Report:
    def __init__(self):
        self.rows = {}
        self.injected = 0

    def add(self, name, faults, short, watch, bulk, lost, requests, recovery):
        """Times in seconds; `lost`: (in flight when the fault came, begun later); `recovery` None: not within the bound."""
        row = self.rows.setdefault(name, {"number": 0, "short": 0.0, "watch": 0.0, "bulk": 0.0, "flight": 0, "later": 0, "requests": 0, "recovery": 0.0})
        row["number"] += 1
        for key, value in (("short", short), ("watch", watch), ("bulk", bulk), ("recovery", float("inf") if recovery is None else recovery)):
            row[key] = max(row[key], value)
        row["flight"] += lost[0]
        row["later"] += lost[1]
        row["requests"] += requests
        self.injected += faults

    def lines(self):
        yield TITLE
        for name, row in sorted(self.rows.items()):
            yield (
                f"{name:<26}{row['number']:>7}{row['short']:>20.2f} s{row['watch']:>7.1f} s{row['bulk']:>7.1f} s"
                f"{row['flight']:>16}{row['later']:>7}{row['requests']:>9}{row['recovery']:>10.1f} s"
            )
