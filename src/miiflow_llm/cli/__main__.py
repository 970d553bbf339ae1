"""`python -m miiflow_llm.cli`, the same as `miiflow-llm`."""

from . import main

if __name__ == "__main__":
    main()
