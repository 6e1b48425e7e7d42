"""Results as lines for people, and as the tables of docs/performance.md and README.md."""


def figure(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def sign(row):
    return "≥" if row["direction"] == "higher" else "≤"


def noise(row):
    return f"{row['noise'] * 100:.0f} %{' NOISY' if row['noisy'] else ''}"


def line(row):
    if "error" in row:
        return f"{row['section']:<10} {row['name']:<50} FAILED: {row['error'].splitlines()[0]}"
    if "skipped" in row:
        return f"{row['section']:<10} {row['name']:<50} SKIPPED: {row['skipped']}"
    return (f"{row['section']:<10} {row['name']:<50} {figure(row['ours']):>11} {figure(row['theirs']):>11} {row['unit']:<9} "
            f"{row['ratio']:>6.2f} {sign(row)} {row['goal']:<5} {'met' if row['met'] else 'SHORT':<6}"
            f"{row['pairs']:>3} pairs, median within {noise(row)}")


def about_text(about):
    return " ".join(f"{key}={value}" if " " not in str(value) else f'{key}="{value}"' for key, value in about.items())


def markdown(about, rows, seconds):
    """The table of a run, for docs/performance.md and the README."""
    out = [f"Commit {about['commit']}, {about['build']} build, {about['cpu']}, Linux {about['kernel']}, {about['fs']} on {about['disk']}, "
           f"{about['sync']}; load {about['load']} before, {seconds:.0f} s.", "",
           "| section | row | ours | theirs | unit | ratio | goal | | noise |", "|---|---|---:|---:|---|---:|---|---|---:|"]
    for row in rows:
        if "ratio" in row:
            out.append(f"| {row['section']} | {row['name']} | {figure(row['ours'])} | {figure(row['theirs'])} | {row['unit']} | "
                       f"{row['ratio']:.2f} | {sign(row)} {row['goal']} | {'met' if row['met'] else '**short**'} | {noise(row)} |")
        else:
            told = "failed" if "error" in row else "skipped"
            out.append(f"| {row['section']} | {row['name']} | | | | | {sign(row)} {row['goal']} | {told} | |")
    return "\n".join(out)


def listing(rows_by_section):
    """What stands beside what, without measuring: the table that docs/performance.md must hold."""
    out = ["| section | row | ours | theirs | goal |", "|---|---|---|---|---|"]
    for section, rows in rows_by_section.items():
        for row in rows:
            for goal in row.goals:
                way = "≥" if goal.direction == "higher" else "≤"
                out.append(f"| {section} | {goal.name} | {row.what} | {goal.theirs} | {way} {goal.goal} |")
    return "\n".join(out)
