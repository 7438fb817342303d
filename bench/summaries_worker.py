"""Rankings by sumy and figures by rouge-score, in an environment of their own: `summaries_worker.py JOB.json OUT.json`.

A job holds `documents`, lists of sentences, and `pairs` of a summary and a reference. Out come, for LexRank and
TextRank, the order in which each takes the sentences of every document, with the seconds it took; and ROUGE-1, ROUGE-2
and ROUGE-L F1 of each pair. sumy is used as its README shows, with its English stemmer and stop words; the sentences
are given, so that its tokenizer need not find any.
"""

import json
import re
import sys
import time
from pathlib import Path
from typing import Any

WORD = re.compile(r"[^\W_]+")


class Words:
    """What sumy asks of a tokenizer."""

    def to_words(self, sentence: str) -> list[str]:
        return WORD.findall(sentence)


def main() -> None:
    job, out = sys.argv[1:]
    given = json.loads(Path(job).read_text(encoding="utf-8"))
    found = {"rankings": rankings(given["documents"]), "rouge": google(given["pairs"])}
    Path(out).write_text(json.dumps(found), encoding="utf-8")


def rankings(documents: list[list[str]]) -> dict[str, Any]:
    from sumy.models.dom import ObjectDocumentModel, Paragraph, Sentence
    from sumy.nlp.stemmers import Stemmer
    from sumy.summarizers.lex_rank import LexRankSummarizer
    from sumy.summarizers.text_rank import TextRankSummarizer
    from sumy.utils import get_stop_words

    found: dict[str, Any] = {}
    for name, kind in (("LexRank", LexRankSummarizer), ("TextRank", TextRankSummarizer)):
        summarizer = kind(Stemmer("english"))
        summarizer.stop_words = get_stop_words("english")
        began, orders = time.perf_counter(), []
        for units in documents:
            document = ObjectDocumentModel([Paragraph([Sentence(unit, Words()) for unit in units])])
            taken: list[int] = []
            # A number of sentences may be a function: it is given all of them, the best first.
            summarizer(document, lambda infos, taken=taken: taken.extend(info.order for info in infos) or infos)
            orders.append(taken)
        found[name] = {"orders": orders, "seconds": time.perf_counter() - began}
    return found


def google(pairs: list[list[str]]) -> list[list[float]]:
    from rouge_score.rouge_scorer import RougeScorer

    kinds = ["rouge1", "rouge2", "rougeL"]
    scorer = RougeScorer(kinds, use_stemmer=False)
    scored = (scorer.score(reference, summary) for summary, reference in pairs)
    return [[each[kind].fmeasure for kind in kinds] for each in scored]


if __name__ == "__main__":
    main()
