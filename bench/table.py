"""Reports as tables for a terminal."""

from rich.console import Console
from rich.table import Table

from bench.figures import Figure, Report


def print_report(console: Console, report: Report) -> None:
    """The figures of one measurement, each beside its bound."""
    table = Table(title=report.title, title_justify="left", title_style="bold")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("bound", justify="right")
    table.add_column("")
    table.add_column("note", style="dim")
    for figure in report.figures:
        table.add_row(
            figure.name, shown(figure.value, figure.unit), bound_of(figure), verdict(figure), figure.note
        )
    console.print(table)
    others, all_there_are = (report.conditions[name] for name in ("processors_busy_by_others", "processors"))
    console.print(f"  Others kept {others} of {all_there_are} processors busy meanwhile.", style="dim")
    for note in report.notes:
        console.print(f"  {note}", style="dim")


def print_missed(console: Console, reports: list[Report]) -> None:
    """What is over its bound, again, at the end."""
    missed = [figure for report in reports for figure in report.missed]
    for figure in missed:
        told = f"{figure.name}: {shown(figure.value, figure.unit)}, bound {bound_of(figure)}"
        console.print(f"[bold red]MISSED[/] {told}")
    if not missed:
        console.print("[green]Every bound is met.[/]")


def shown(value: float, unit: str) -> str:
    """A number with as many digits as mean something, and its unit."""
    digits = 0 if abs(value) >= 100 or value == int(value) else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}".strip()


def bound_of(figure: Figure) -> str:
    """The most or the least the figure may be, or nothing."""
    if figure.least is not None:
        return f"≥ {shown(figure.least, figure.unit)}"
    return "" if figure.bound is None else f"≤ {shown(figure.bound, figure.unit)}"


def verdict(figure: Figure) -> str:
    """Whether the bound is met, for a terminal."""
    if figure.bound is None and figure.least is None:
        return ""
    return "[bold red]MISSED[/]" if figure.missed else "[green]ok[/]"
