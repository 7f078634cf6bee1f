/** What happens in `buildkit-scaler local`, for people to watch: the timeline of npm start and npm run demo. */
import type { CloseReason, PoolEventType } from "../events/schema.ts";

/** Who changed the number of daemons, and why. */
export type ScaleReason =
	/** KEDA: a pool at zero has demand. */
	| "demand"
	/** HPA: the metric asks for more, or for fewer. */
	| "metric"
	/** KEDA: no demand for longer than the cooldown. */
	| "cooldown";

/** `at` is `Clock.now` in ms. */
export type ControllerObservation =
	| { readonly t: "pushed"; readonly at: number }
	| {
			readonly t: "scaled";
			readonly at: number;
			readonly from: number;
			readonly to: number;
			readonly reason: ScaleReason;
	  }
	/** A poll, or an HPA read, got an error: the daemons there are stay as they are. */
	| { readonly t: "checkFailed"; readonly at: number; readonly message: string }
	/** No pushes until the stream is open again. */
	| { readonly t: "streamEnded"; readonly at: number; readonly message: string; readonly retryMs: number };

export type DaemonObservation =
	| { readonly t: "daemonStarted"; readonly at: number; readonly daemon: string }
	/** It gets no new builds, and goes when it has none. */
	| { readonly t: "daemonDraining"; readonly at: number; readonly daemon: string }
	/** It was draining and is wanted again. */
	| { readonly t: "daemonKept"; readonly at: number; readonly daemon: string }
	/** It ended by itself, or could not be started. */
	| {
			readonly t: "daemonFailed";
			readonly at: number;
			readonly daemon: string;
			/** "exit code 1", "SIGKILL", … */
			readonly how: string;
			/** The end of its log. */
			readonly lastLines: readonly string[];
			/** When it is started again; null when it is no longer wanted. */
			readonly retryMs: number | null;
	  }
	/** It ended because it was told to; `left` daemons remain. */
	| { readonly t: "daemonStopped"; readonly at: number; readonly daemon: string; readonly left: number };

/** `build` counts from 1; times are ms since the client connected. */
export type BuildObservation =
	| {
			readonly t: "buildWaiting";
			readonly at: number;
			readonly build: number;
			/** From accept to its first request. */
			readonly afterMs: number;
			/** No daemon is wanted yet: this build wakes the pool. */
			readonly poolAsleep: boolean;
	  }
	| { readonly t: "buildAssigned"; readonly at: number; readonly build: number; readonly daemon: string }
	/** The daemon's first byte reached the client. */
	| {
			readonly t: "buildServed";
			readonly at: number;
			readonly build: number;
			readonly daemon: string;
			readonly afterMs: number;
	  }
	| {
			readonly t: "buildEnded";
			readonly at: number;
			readonly build: number;
			readonly reason: CloseReason;
			readonly afterMs: number;
	  }
	/** The event that tells the scaler of a new build was on the bus. */
	| { readonly t: "eventSeen"; readonly at: number; readonly type: PoolEventType }
	/** The last build ended: the cooldown runs. */
	| { readonly t: "idle"; readonly at: number; readonly cooldownMs: number };

export type Observation = ControllerObservation | DaemonObservation | BuildObservation;
