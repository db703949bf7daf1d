"""What ``--json`` prints of each verb: the keys of its one object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: Verbs without ``--json``, and why.
NO_JSON: Final[Mapping[str, str]] = {
    "config schema": "prints JSON by itself",
    "campaign schema": "prints JSON by itself",
    "conditions serve": "serves until it is stopped",
}

_LISTED: Final[Mapping[str, str]] = {
    "demo": "files, speed_up, kept_fraction, area, verdict, is_unbiased",
    "doctor": "smartbkg, is_usable, findings",
    "generate": "output, process, n_events, n_particles",
    "simulate": "output, seed, n_events, n_passing, n_unknown",
    "oracle": "skim, soft_labels, n_events, n_simulations, retention, pass_again, auc, convergence",
    "flag": "output, skim, n_events, n_passing, n_rows_read",
    "dataset": "output, skims, variables, counts, retention, failing_kept, n_missing",
    "config init": "path",
    "config validate": "path, is_valid",
    "config dump": "network, graph, data, sampling, loss, optimiser, calibration, policy, run",
    "train": "output, n_parameters, n_epochs, n_training, n_validation, skims, surrogate",
    "calibrate": (
        "output, surrogate, n_events, n_passing, auc, speed_up, speed_up_without_surrogate, mean_replicas, trade"
    ),
    "evaluate": (
        "output, auc, auc_error, events, label, policy, speed_up, speed_up_by_skim, kept_fraction, lost_fraction, "
        "largest_weight, effective_per_event, seconds_per_event, own_estimate, caution, costs, "
        "speed_up_without_surrogate, n_passing, n_effective, closure"
    ),
    "plan": (
        "skims, costs, n_events, n_passing, retention, outlooks, own_estimate, free_bound, oracle, calibration, "
        "by_process, unfiltered_effective_per_event, unfiltered_seconds_per_event, lambda, caution, needs"
    ),
    "filter": (
        "output, kept_fraction, n_events, n_kept, n_skipped, n_unknown_codes, sum_keep_probability, "
        "sum_generator_weight, sum_weight, sum_weight_squared, largest_weight, skipped, sample, settings"
    ),
    "campaign init": "path, events, chunk_events, source",
    "campaign validate": "path, is_valid, n_chunks",
    "campaign dump": (
        "name, events, chunk_events, seed, experiment, first_run, generate, filter, simulate, outputs, costs, "
        "run, cluster, alarms"
    ),
    "campaign plan": (
        "n_chunks, n_events, n_pilot, kept_fraction, costs, costs_from, speed_up, speed_up_simulated, "
        "speed_up_at_belle_ii_costs, speed_up_simulated_at_belle_ii_costs, passing, bytes_an_event, "
        "chunk_seconds, cpu_hours, cpu_hours_unfiltered"
    ),
    "campaign submit": "job, folder, script, n_tasks, n_chunks, command",
    "campaign run": (
        "kind, schema_version, package_version, campaign, folder, host, process_id, started, wall_seconds, "
        "cpu_seconds, n_done, n_known, n_failed, n_events, error, attempts"
    ),
    "campaign status": (
        "chunks, events, kept_fraction, sum_weight, sum_weight_squared, sum_generator_weight, speed_up, skims, "
        "costs, cpu_seconds, wall_seconds, bytes, unknown_codes, damaged_records, alarms"
    ),
    "campaign retry": "chunks",
    "campaign report": (
        "chunks, events, kept_fraction, sum_weight, sum_weight_squared, sum_generator_weight, speed_up, skims, "
        "costs, cpu_seconds, wall_seconds, bytes, unknown_codes, damaged_records, alarms, name, processes, "
        "totals, speed_up_at_belle_ii_costs, largest_weight, seed, draw_stream, model_sha256, policy, policies, "
        "detector_sha256, configuration_digest, package_versions"
    ),
    "campaign merge": "output, n_chunks, n_written, totals",
    "score": "output, n_unknown_codes, n_events, n_skipped, skipped",
    "validate": (
        "verdict, coverage, kl_target, variables, pairs, total_pull, yield_p_value, shape_p_value, "
        "global_p_value, worst_test, n_tests, n_replicas, n_all, n_kept, effective_kept, significance, n_thinned, "
        "inventory, generated, notes"
    ),
    "reweight": "output, modes, reweighter, warning",
    "merge": "output, n_written, n_generated, sum_weight, sum_weight_squared, warnings, effective",
    "ntuple": "output, n_rows, n_events, n_without_weight, warnings",
    "convert": "output, n_events, skipped, n_skipped, n_duplicates, has_default_ids",
    "info": (
        "source, metadata, token_table, n_events, n_particles, is_complete, processes, fewest, most, sum_weight, "
        "n_negative, ids, columns, unknown_codes, n_duplicates, skipped, n_skipped, warnings"
    ),
    "show": "experiment, run, evtNum, particles",
    "model info": (
        "architecture, parameters, configuration, skims, processes, graph rule, token table, token table digest, "
        "calibration, policy, metrics, training data, training"
    ),
    "model convert": "output, architecture, n_parameters, skims",
    "export": "output, config, largest_difference, runs_in_basf2, remark",
    "conditions put": "tag, place, payload, revision, interval, md5, sha256",
    "conditions tags": "tags",
    "conditions show": "name, status, description, identifier, place, payloads",
    "conditions get": "path, tag, place, payload, revision, interval, md5, sha256",
    "conditions copy-tag": "name, status, description, identifier, place",
    "conditions publish": "name, status, description, identifier, place",
    "conditions verify": "place, n_payloads, damages",
    "basf2 path": "path",
    "basf2 check": "is_good, findings, self_test",
}

#: verb → keys, in their order.
JSON_KEYS: Final[Mapping[str, tuple[str, ...]]] = {verb: tuple(keys.split(", ")) for verb, keys in _LISTED.items()}

__all__ = ["JSON_KEYS", "NO_JSON"]
