"""Whether the accounts of a source add up: nothing may be lost between a raw record and a document without a reason."""

from __future__ import annotations

from mixtures.report_data import Amount, SourceData, StepData


def conservation_problems(source: SourceData) -> list[str]:
    """What does not add up in the funnel of one source, one line each; empty when all documents are there.

    Held: documents in = kept + removed at each step (bytes too where the step says what it edited away); each
    step takes what the one before kept; the last one keeps what the source has.
    """
    problems: list[str] = []
    before: StepData | None = None
    for step in source["steps"]:
        removed = removed_amount(step)
        missing = step["documents_in"] - step["documents_kept"] - removed["documents"]
        if missing:
            problems.append(
                f"{step['step']}: {missing:,} of {step['documents_in']:,} documents unaccounted for"
            )
        if "bytes_edited" in step:
            missing = step["bytes_in"] - step["bytes_kept"] - removed["bytes"] - step["bytes_edited"]
            if missing:
                problems.append(f"{step['step']}: {missing:,} of {step['bytes_in']:,} bytes unaccounted for")
        if before and step["documents_in"] != before["documents_kept"]:
            problems.append(
                f"{step['step']}: {step['documents_in']:,} documents came in, "
                f"{before['step']} had kept {before['documents_kept']:,}"
            )
        exact = before is not None and "bytes_edited" in before and "bytes_edited" in step
        if before and exact and step["bytes_in"] != before["bytes_kept"]:
            problems.append(
                f"{step['step']}: {step['bytes_in']:,} bytes came in, "
                f"{before['step']} had kept {before['bytes_kept']:,}"
            )
        before = step
    if before and before["documents_kept"] != source["documents"]:
        problems.append(
            f"{before['step']} kept {before['documents_kept']:,} documents, "
            f"the source has {source['documents']:,}"
        )
    return problems


def removed_amount(step: StepData) -> Amount:
    """Documents and bytes a step removed, over all reasons."""
    return {
        "documents": sum(amount["documents"] for amount in step["removed"].values()),
        "bytes": sum(amount["bytes"] for amount in step["removed"].values()),
    }
