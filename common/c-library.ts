import type { DynamicLibraryResult, FunctionDefinitions } from "node:ffi";

type Functions<D extends FunctionDefinitions> = DynamicLibraryResult<D>["functions"];

/** Functions of the C library, or why there are none. */
export type FromC<D extends FunctionDefinitions> =
	| {
			readonly ok: true;
			readonly functions: Functions<D>;
			/** Where these bytes are, for a call that needs them to stay there: whoever asks keeps them from being freed. */
			readonly addressOf: (bytes: NodeJS.ArrayBufferView) => bigint;
			/** The C `int` there. */
			readonly intAt: (address: bigint) => number;
	  }
	| { readonly ok: false; readonly reason: string };

/** Binds functions of the C library that Node itself uses, for what Node has no call. Takes Linux and Node 26; never throws. */
export function fromCLibrary<const D extends FunctionDefinitions>(definitions: D): FromC<D> {
	if (process.platform !== "linux") return { ok: false, reason: `not on ${process.platform}` };
	const ffi = withoutWarning(() => process.getBuiltinModule("node:ffi"));
	if (ffi === undefined) return { ok: false, reason: `Node ${process.version} has no node:ffi` };
	try {
		const { functions } = ffi.dlopen(null, definitions);
		return { ok: true, functions, addressOf: ffi.getRawPointer, intAt: (address) => ffi.getInt32(address) };
	} catch (error) {
		return { ok: false, reason: error instanceof Error ? error.message : String(error) };
	}
}

/** Node warns on standard error that its FFI is experimental: of no use to whoever reads the log there. */
function withoutWarning<T>(use: () => T): T {
	const { emitWarning } = process;
	process.emitWarning = () => {};
	try {
		return use();
	} finally {
		process.emitWarning = emitWarning;
	}
}
