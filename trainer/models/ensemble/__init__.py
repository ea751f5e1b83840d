"""An average of the calibrated probabilities of models, in a sealed folder that contains them."""
