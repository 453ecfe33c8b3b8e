"""The experiments of the main paper on activation codecs (Figs. 8-10, Tables IV and V), on images and models at hand.

`plan` says what is trained and measured, `trainings` does it once for all of them, and each experiment judges and draws
plain data. `orbitsim.reproduce.registry` finds them by name.
"""
