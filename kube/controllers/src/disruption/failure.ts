/** Why a budget's pods could not be counted: the words go into its condition, as kube-controller-manager's do. */
import { controllersErrors } from '../errors.ts';

export function disruptionError(why: string): Error {
  return controllersErrors.error('DisruptionUncountable', why);
}
