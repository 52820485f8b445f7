from setuptools import setup
import io
import os


def read(name):
    here = os.path.dirname(os.path.abspath(__file__))
    with io.open(os.path.join(here, name), encoding='utf-8') as source:
        return source.read()


setup(
    name='ftw.monitor',
    version='2.0.0.dev0',
    description='Health checks, warm-up and metrics for Zope/Plone instances,'
                ' on a port and a thread of their own',
    long_description=read('README.rst') + '\n\n' + read('CHANGES.rst'),
    long_description_content_type='text/x-rst',
    license='GPL-2.0-only',
    keywords='zope plone monitoring health check warmup haproxy zodb zeo',
    classifiers=[
        'Development Status :: 4 - Beta',
        'Environment :: Web Environment',
        'Framework :: Plone',
        'Framework :: Plone :: 6.2',
        'Framework :: Zope',
        'Framework :: Zope :: 5',
        'Intended Audience :: System Administrators',
        'Operating System :: POSIX',
        'Programming Language :: Python',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Programming Language :: Python :: 3.13',
        'Topic :: System :: Monitoring',
    ],
    # No ftw/__init__.py: a native namespace package, which works beside
    # native and pkgutil style ftw.* packages.
    packages=[
        'ftw.monitor',
        'ftw.monitor.checks',
        'ftw.monitor.commands',
        'ftw.monitor.instance',
        'ftw.monitor.server',
        'ftw.monitor.warmup',
    ],
    package_data={'': ['*.zcml']},
    zip_safe=False,
    python_requires='>=3.10',
    install_requires=[
        'Products.CMFCore',
        'psutil',
        'ZODB',
        'Zope[wsgi]',
        'zope.component',
        'zope.globalrequest',
        'zope.interface',
        'zope.processlifetime',
    ],
    extras_require={
        'tests': [
            'hypothesis',
            'plone.app.testing',
            'plone.testing',
            'Products.CMFPlone',
            'ZEO',
            'zope.testrunner',
        ],
    },
    entry_points={
        'console_scripts': [
            'ftw-monitor = ftw.monitor.ctl:main',
        ],
        'plone.recipe.zope2instance.ctl': [
            'monitor = ftw.monitor.ctl:monitor',
        ],
        'z3c.autoinclude.plugin': [
            'target = plone',
        ],
    },
)
