"""The commands of ``kawa``, each imported only when it is asked for."""
