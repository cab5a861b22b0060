import { defineErrors } from '@polyanthus/ground-base/errors';

export const ociErrors = defineErrors({
  TarNameTooLong: {
    meaning: 'A path does not fit into the tar header, not even split.',
    next: 'Use a shorter path in the image.',
  },
  ImageTargetExists: {
    meaning: 'The folder to write the image layout to already exists and is no OCI layout.',
    next: 'Choose another folder, or remove that one.',
  },
});
