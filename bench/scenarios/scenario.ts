import type { Cleanup } from "../../test/helpers/cleanup.ts";
import type { BenchOptions } from "../options.ts";
import type { Threshold } from "../verdict.ts";

/** Measures and prints; returns the ratios that have a threshold. */
export type Scenario = (options: BenchOptions, cleanup: Cleanup) => Promise<readonly Threshold[]>;
