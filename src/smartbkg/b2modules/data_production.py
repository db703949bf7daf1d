"""`data_production`: a batch job's training file from its mDST and its flags."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from smartbkg.b2modules.event_variables import join_variables
from smartbkg.b2modules.framework import import_basf2
from smartbkg.b2modules.upstream_layout import check_layout, write_upstream_layout
from smartbkg.errors import DatasetError, FileFormatError, UsageError, nearest

DATA_NAME: Final = "_submdst"
FLAG_NAME: Final = "_flag"
#: Levels of event variables: of the whole event, and of the best B candidate.
LEVELS: Final = ("Y4S", "B")
_B_LIST: Final = "B0:generic"


class data_production:  # noqa: N801 - upstream's name
    """Makes a training file of ``{in_dir}_submdst{job_id}.root`` and ``{in_dir}_flag{job_id}.parquet``.

    Jobs of different ids may run side by side: what they write has their id in its name.

    Parameters
    ----------
    in_dir, out_dir : what the names begin with: a folder with its slash, or more.
    job_id : number of the job.
    save_vars : None = fast mode, particles and labels; a dictionary = advanced mode, also the event-level variables
        ``save_vars["Y4S"]`` and those of the best hadronic B0 candidate ``save_vars["B"]`` (NaN where there is none).
        ``Y4S`` variables are of the event as a whole, so that continuum has them too.
    layout : ``smartbkg`` = ``{out_dir}pp{job_id}.parquet``, a part for `smartbkg dataset --merge`, variables as columns
        ``var_<name>``; ``upstream`` = ``{out_dir}preprocessed{job_id}.parquet`` as upstream writes it
        (`smartbkg.b2modules.upstream_layout`), which upstream's training script reads.

    Raises
    ------
    FileFormatError
        The job has no such files: names those that exist.
    UsageError
        Another key in ``save_vars``, or an unknown layout.
    """

    def __init__(
        self,
        in_dir: str,
        out_dir: str,
        job_id: int,
        save_vars: Mapping[str, Sequence[str]] | None = None,
        *,
        layout: str = "smartbkg",
    ) -> None:
        self.data = Path(f"{in_dir}{DATA_NAME}{job_id}.root")
        self.flag = Path(f"{in_dir}{FLAG_NAME}{job_id}.parquet")
        self.layout = check_layout(layout)
        self.save_vars = None if save_vars is None else {level: list(names) for level, names in save_vars.items()}
        for level in self.save_vars or ():
            if level not in LEVELS:
                raise UsageError(f"save_vars has the key '{level}': {nearest(level, LEVELS)}")
        for path in (self.data, self.flag):
            if not path.is_file():
                raise FileFormatError(f"job {job_id}: {path} does not exist; {_jobs_with_files(in_dir)}")
        self.out_temp = Path(f"{out_dir}_temp{job_id}")
        name = "pp" if layout == "smartbkg" else "preprocessed"
        self.out_file = Path(f"{out_dir}{name}{job_id}.parquet")
        self.out_file.parent.mkdir(parents=True, exist_ok=True)
        if self.save_vars is not None:
            self.out_temp.mkdir(parents=True, exist_ok=True)
        self.temp_file = {
            "MC": self.out_temp / "mc.parquet",
            "Y4S": self.out_temp / "y4s.root",
            "B": self.out_temp / "b.root",
        }

    def process(self) -> None:
        """Run the whole job."""
        self.process_b2script()
        self.merge_files()

    def process_b2script(self, num_events: int = 2500) -> None:
        """Read the mDST in basf2 and write what the training file is made of; in fast mode the file itself.

        Parameters
        ----------
        num_events : at most so many events are processed.
        """
        from smartbkg.b2modules.NN_trainer_module import TrainDataSaver

        basf2, analysis = import_basf2(), import_basf2("modularAnalysis")
        path = basf2.create_path()
        analysis.inputMdst(environmentType="default", filename=str(self.data), path=path)
        output, layout = (self.out_file, self.layout) if self.save_vars is None else (self.temp_file["MC"], "smartbkg")
        saver = TrainDataSaver(output_file=output, flag_file=self.flag, layout=layout)
        path.add_module(saver)
        if self.save_vars is not None:
            self._add_variables(analysis, path)
        basf2.process(path, max_event=num_events)
        if saver.error is not None:
            raise saver.error

    def _add_variables(self, analysis: Any, path: Any) -> None:
        wanted = self.save_vars or {}
        analysis.buildEventShape(path=path)
        analysis.buildEventKinematics(path=path)
        if wanted.get("Y4S"):
            analysis.variablesToNtuple(
                "", wanted["Y4S"], treename="Y4S", filename=str(self.temp_file["Y4S"]), path=path
            )
        if wanted.get("B"):
            skim = import_basf2("skim.WGs.fei").feiHadronicB0(
                udstOutput=False, analysisGlobaltag=analysis.getAnalysisGlobaltag()
            )
            skim(path=path)
            skim.postskim_path.add_module(
                "BestCandidateSelection",
                particleList=_B_LIST,
                variable="extraInfo(SignalProbability)",
                outputVariable="rank_signalprob",
                numBest=1,
            )
            analysis.variablesToNtuple(
                _B_LIST, wanted["B"], treename="B", filename=str(self.temp_file["B"]), path=skim.postskim_path
            )

    def merge_files(self) -> None:
        """Join particles and event-level variables into the training file; in fast mode it is there already.

        Raises
        ------
        DatasetError
            `process_b2script` has not run.
        """
        written = self.out_file if self.save_vars is None else self.temp_file["MC"]
        if not written.is_file():
            raise DatasetError(f"{written} does not exist: run process_b2script() first, or process() for both steps")
        if self.save_vars is None:
            return
        tables = {self.temp_file[level]: (level, names) for level, names in self.save_vars.items() if names}
        if self.layout == "smartbkg":
            join_variables(written, tables, self.out_file)
            return
        joined = self.out_temp / "joined.parquet"
        join_variables(written, tables, joined)
        write_upstream_layout(joined, self.out_file)

    #: Upstream's name of the step until January 2024.
    preprocess_files = merge_files

    def clean_up(self, *, remove_input: bool = False) -> None:
        """Remove the job's flags and temporary files; the input mDST stays, as with upstream since January 2024.

        Parameters
        ----------
        remove_input : remove the input mDST as well.

        Raises
        ------
        DatasetError
            There is no training file yet: nothing is removed.
        """
        if not self.out_file.is_file():
            raise DatasetError(f"{self.out_file} does not exist: the inputs of the job are not removed")
        if remove_input:
            self.data.unlink(missing_ok=True)
        self.flag.unlink(missing_ok=True)
        shutil.rmtree(self.out_temp, ignore_errors=True)


def _jobs_with_files(in_dir: str) -> str:
    """Which jobs have their files, for messages."""
    first = Path(f"{in_dir}{DATA_NAME}0.root")
    prefix = first.name.removesuffix("0.root")
    names = (path.name for path in first.parent.glob(f"{prefix}*.root")) if first.parent.is_dir() else iter(())
    jobs = sorted(name.removeprefix(prefix).removesuffix(".root") for name in names)
    return f"jobs with an mDST there: {', '.join(jobs) or '(none)'}"
