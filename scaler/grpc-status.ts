import { status } from "@grpc/grpc-js";
import { type ErrorCode, ScalerError } from "../common/error.ts";

/**
 * What KEDA sees of an error. Any status but OK makes it keep the replicas it has (scale_scaledobjects.go), so each
 * code is chosen for the person reading the operator's log.
 */
const statusByCode: Readonly<Partial<Record<ErrorCode, status>>> = {
	METADATA_INVALID: status.INVALID_ARGUMENT,
	NAMESPACE_FORBIDDEN: status.PERMISSION_DENIED,
	METRIC_UNKNOWN: status.NOT_FOUND,
	POOL_UNKNOWN: status.NOT_FOUND,
	DEMAND_UNKNOWN: status.UNAVAILABLE,
};

/**
 * The gRPC status of anything thrown; INTERNAL for what is not an answer but a fault of ours. Well-formed, because
 * grpc-js puts the details through encodeURI, which throws on half a surrogate pair.
 */
export function grpcStatusOf(thrown: unknown): { code: status; details: string } {
	const { code, message } = ScalerError.from(thrown);
	return { code: statusByCode[code] ?? status.INTERNAL, details: message.toWellFormed() };
}
